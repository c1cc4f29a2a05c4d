locals {
  # Roles of the API and what they allow; src/callers/principal.ts has the same list, which a test compares.
  roles = {
    "Data.Encrypt"   = "Encrypt data of tenants"
    "Data.Decrypt"   = "Decrypt data of tenants"
    "Data.Index"     = "Make look-up tokens"
    "Keys.Wrap"      = "Wrap keys with a tenant's vault"
    "Keys.Unwrap"    = "Unwrap keys with a tenant's vault"
    "Keys.Lease"     = "Lease keys to encrypt and decrypt locally"
    "Tenants.Read"   = "Read tenants"
    "Tenants.Manage" = "Create, change, check and suspend tenants"
    "Audit.Read"     = "Read the audit log"
  }
  operator_roles = ["Tenants.Read", "Tenants.Manage", "Audit.Read"]
  scope_id       = uuidv5("url", "${var.public_url}/access")
}

# The multi-tenant app that customers add to their directory. It has no permission: what it may do is what a customer grants on its key.
resource "azuread_application" "vaultspan" {
  display_name     = var.name
  sign_in_audience = "AzureADMultipleOrgs"
  owners           = [data.azurerm_client_config.current.object_id]

  web {
    # Where Entra returns to after an administrator's consent.
    redirect_uris = ["${var.public_url}/onboarding/consent"]
  }
}

resource "azuread_service_principal" "vaultspan" {
  client_id = azuread_application.vaultspan.client_id
}

# The app signs in with the service's identity instead of a secret. On AKS the pod's own token is the credential, since Entra rejects a chain
# of federated credentials (AADSTS700231).
resource "azuread_application_federated_identity_credential" "identity" {
  count          = var.platform == "container-apps" ? 1 : 0
  application_id = azuread_application.vaultspan.id
  display_name   = "identity"
  issuer         = "https://login.microsoftonline.com/${data.azurerm_client_config.current.tenant_id}/v2.0"
  subject        = azurerm_user_assigned_identity.vaultspan.principal_id
  audiences      = ["api://AzureADTokenExchange"]
}

resource "azuread_application_federated_identity_credential" "cluster" {
  count          = var.platform == "kubernetes" ? 1 : 0
  application_id = azuread_application.vaultspan.id
  display_name   = "cluster"
  issuer         = var.cluster.issuer
  subject        = local.subjects.pods
  audiences      = ["api://AzureADTokenExchange"]
}

# The API's registration: callers' tokens name it as audience, the console signs operators in with it.
resource "azuread_application" "api" {
  display_name     = "${var.name}-api"
  sign_in_audience = "AzureADMyOrg"
  owners           = [data.azurerm_client_config.current.object_id]

  api {
    requested_access_token_version = 2

    oauth2_permission_scope {
      id                         = local.scope_id
      value                      = "access"
      type                       = "Admin"
      admin_consent_display_name = "Use Vaultspan"
      admin_consent_description  = "Call the API with the roles of the signed-in person."
    }
  }

  dynamic "app_role" {
    for_each = local.roles
    content {
      id                   = uuidv5("url", "${var.public_url}/roles/${app_role.key}")
      value                = app_role.key
      display_name         = app_role.key
      description          = app_role.value
      allowed_member_types = ["Application", "User"]
    }
  }

  single_page_application {
    redirect_uris = ["${var.public_url}/console/"]
  }
}

resource "azuread_application_identifier_uri" "api" {
  application_id = azuread_application.api.id
  identifier_uri = "api://${azuread_application.api.client_id}"
}

# Without an assignment nobody gets a token.
resource "azuread_service_principal" "api" {
  client_id                    = azuread_application.api.client_id
  app_role_assignment_required = true
}

resource "azuread_app_role_assignment" "operators" {
  for_each            = toset(local.operator_roles)
  app_role_id         = azuread_service_principal.api.app_role_ids[each.value]
  principal_object_id = var.operators_group_id
  resource_object_id  = azuread_service_principal.api.object_id
}
