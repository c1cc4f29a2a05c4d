"""Client of Vaultspan: encrypts a record in one call, under the customer's own Azure Key Vault key."""

from ._async_client import AsyncIndex, AsyncTenant, AsyncVaultspan
from ._client import Index, Tenant, Vaultspan
from ._errors import FieldFault, Fix, VaultspanError
from ._token import AsyncTokenSource, TokenSource
from ._values import Access, Context, Data, Lookup, Plaintext, Versioned

__all__ = [
    "Access",
    "AsyncIndex",
    "AsyncTenant",
    "AsyncTokenSource",
    "AsyncVaultspan",
    "Context",
    "Data",
    "FieldFault",
    "Fix",
    "Index",
    "Lookup",
    "Plaintext",
    "Tenant",
    "TokenSource",
    "Vaultspan",
    "VaultspanError",
    "Versioned",
]
