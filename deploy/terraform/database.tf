# Entra sign-in only, in the network only, with a synchronous standby in another zone: a failover loses no committed row.
resource "azurerm_postgresql_flexible_server" "vaultspan" {
  name                          = "${var.name}-${substr(sha256(azurerm_resource_group.vaultspan.id), 0, 8)}"
  resource_group_name           = azurerm_resource_group.vaultspan.name
  location                      = azurerm_resource_group.vaultspan.location
  version                       = "16"
  sku_name                      = "GP_Standard_D2ds_v5"
  storage_mb                    = 131072
  auto_grow_enabled             = true
  backup_retention_days         = 35
  delegated_subnet_id           = var.database_subnet_id
  private_dns_zone_id           = var.database_dns_zone_id
  public_network_access_enabled = false

  authentication {
    active_directory_auth_enabled = true
    password_auth_enabled         = false
    tenant_id                     = data.azurerm_client_config.current.tenant_id
  }

  high_availability {
    mode = "ZoneRedundant"
  }

  lifecycle {
    # Azure chooses zones, and a failover swaps them.
    ignore_changes  = [zone, high_availability[0].standby_availability_zone]
    prevent_destroy = true
  }
}

resource "azurerm_postgresql_flexible_server_active_directory_administrator" "admins" {
  server_name         = azurerm_postgresql_flexible_server.vaultspan.name
  resource_group_name = azurerm_resource_group.vaultspan.name
  tenant_id           = data.azurerm_client_config.current.tenant_id
  object_id           = var.database_admins.object_id
  principal_name      = var.database_admins.name
  principal_type      = "Group"
}

resource "azurerm_postgresql_flexible_server_database" "vaultspan" {
  name      = "vaultspan"
  server_id = azurerm_postgresql_flexible_server.vaultspan.id

  lifecycle {
    prevent_destroy = true
  }
}
