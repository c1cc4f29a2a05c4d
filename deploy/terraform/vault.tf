# The home vault holds the keys of the deployment itself. Without the origin key no ciphertext can be decrypted, so nobody can purge it.
resource "azurerm_key_vault" "home" {
  name                       = "${var.name}-${substr(sha256(azurerm_resource_group.vaultspan.id), 0, 8)}"
  resource_group_name        = azurerm_resource_group.vaultspan.name
  location                   = azurerm_resource_group.vaultspan.location
  tenant_id                  = data.azurerm_client_config.current.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  purge_protection_enabled   = true
  soft_delete_retention_days = 90

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_role_assignment" "identity_reads_secrets" {
  scope                = azurerm_key_vault.home.id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.vaultspan.principal_id
  principal_type       = "ServicePrincipal"
}

# Whoever applies this runs `vaultspan init` once; it makes the secrets, and with receipts a key.
resource "azurerm_role_assignment" "deployer_makes_secrets" {
  scope                = azurerm_key_vault.home.id
  role_definition_name = "Key Vault Secrets Officer"
  principal_id         = data.azurerm_client_config.current.object_id
}

resource "azurerm_role_assignment" "deployer_makes_keys" {
  scope                = azurerm_key_vault.home.id
  role_definition_name = "Key Vault Crypto Officer"
  principal_id         = data.azurerm_client_config.current.object_id
}
