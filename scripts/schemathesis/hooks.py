"""A check of our own: a batch may answer 200 to items that break the contract, but each such answer must name an item's error."""

import schemathesis
from schemathesis.core.parameters import ParameterLocation


@schemathesis.check
def bad_items_of_a_batch_fail_alone(ctx, response, case):
    path = case.operation.path
    is_batch = path.startswith("/tenants/{tenantId}/batch/") or path == "/tenants/{tenantId}/leases/open"
    if not is_batch or response.status_code != 200 or case.meta is None:
        return
    # An unknown header is no fault of the items.
    body = case.meta.components.get(ParameterLocation.BODY)
    if body is None or not body.mode.is_negative:
        return
    items = response.json()["items"]
    if not any("error" in item for item in items):
        raise AssertionError(f"A batch that breaks the contract was taken: {len(items)} items and no error")
