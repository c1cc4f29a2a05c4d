locals {
  apps = var.platform == "container-apps" ? 1 : 0
  config = templatefile("${path.module}/../azure-config.yaml", {
    tenant_id          = data.azurerm_client_config.current.tenant_id
    api_client_id      = azuread_application.api.client_id
    app_client_id      = azuread_application.vaultspan.client_id
    vault_url          = trimsuffix(azurerm_key_vault.home.vault_uri, "/")
    identity_client_id = azurerm_user_assigned_identity.vaultspan.client_id
    identity_name      = azurerm_user_assigned_identity.vaultspan.name
    database_host      = azurerm_postgresql_flexible_server.vaultspan.fqdn
  })
}

resource "azurerm_log_analytics_workspace" "vaultspan" {
  count               = local.apps
  name                = var.name
  resource_group_name = azurerm_resource_group.vaultspan.name
  location            = azurerm_resource_group.vaultspan.location
  retention_in_days   = 90
}

resource "azurerm_container_app_environment" "vaultspan" {
  count                          = local.apps
  name                           = var.name
  resource_group_name            = azurerm_resource_group.vaultspan.name
  location                       = azurerm_resource_group.vaultspan.location
  log_analytics_workspace_id     = azurerm_log_analytics_workspace.vaultspan[0].id
  infrastructure_subnet_id       = var.subnet_id
  internal_load_balancer_enabled = true
  zone_redundancy_enabled        = true
}

# The spool of audit records, until they are in the database. Its account is in the network alone.
resource "azurerm_storage_account" "audit" {
  count                           = local.apps
  name                            = "audit${substr(sha256(azurerm_resource_group.vaultspan.id), 0, 16)}"
  resource_group_name             = azurerm_resource_group.vaultspan.name
  location                        = azurerm_resource_group.vaultspan.location
  account_kind                    = "FileStorage"
  account_tier                    = "Premium"
  account_replication_type        = "ZRS"
  allow_nested_items_to_be_public = false
  min_tls_version                 = "TLS1_2"

  network_rules {
    default_action             = "Deny"
    virtual_network_subnet_ids = [var.subnet_id]
  }
}

resource "azurerm_storage_share" "audit" {
  count              = local.apps
  name               = "audit"
  storage_account_id = azurerm_storage_account.audit[0].id
  quota              = 100
}

resource "azurerm_container_app_environment_storage" "audit" {
  count                        = local.apps
  name                         = "audit"
  container_app_environment_id = azurerm_container_app_environment.vaultspan[0].id
  account_name                 = azurerm_storage_account.audit[0].name
  share_name                   = azurerm_storage_share.audit[0].name
  access_key                   = azurerm_storage_account.audit[0].primary_access_key
  access_mode                  = "ReadWrite"
}

resource "azurerm_container_app" "vaultspan" {
  count                        = local.apps
  name                         = var.name
  resource_group_name          = azurerm_resource_group.vaultspan.name
  container_app_environment_id = azurerm_container_app_environment.vaultspan[0].id
  revision_mode                = "Single"

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.vaultspan.id]
  }

  # Files can only be mounted as secrets; the configuration has none.
  secret {
    name  = "config"
    value = local.config
  }

  ingress {
    external_enabled = true
    target_port      = 8080
    transport        = "http"

    traffic_weight {
      latest_revision = true
      percentage      = 100
    }
  }

  template {
    min_replicas = 2
    max_replicas = 10
    # http.drainSeconds plus 5.
    termination_grace_period_seconds = 30

    container {
      name   = "vaultspan"
      image  = var.image
      cpu    = 2
      memory = "4Gi"
      # A mounted secret is a file of the secret's name.
      args = ["serve", "--config", "/etc/vaultspan/config"]

      startup_probe {
        transport               = "HTTP"
        path                    = "/healthz"
        port                    = 8080
        interval_seconds        = 2
        failure_count_threshold = 30
      }

      liveness_probe {
        transport        = "HTTP"
        path             = "/healthz"
        port             = 8080
        interval_seconds = 10
        timeout          = 5
      }

      readiness_probe {
        transport        = "HTTP"
        path             = "/readyz"
        port             = 8080
        interval_seconds = 5
        timeout          = 5
      }

      volume_mounts {
        name = "config"
        path = "/etc/vaultspan"
      }

      volume_mounts {
        name = "audit"
        path = "/var/lib/vaultspan/audit"
      }
    }

    volume {
      name         = "config"
      storage_type = "Secret"
    }

    volume {
      name         = "audit"
      storage_type = "AzureFile"
      storage_name = azurerm_container_app_environment_storage.audit[0].name
    }
  }

  depends_on = [azurerm_role_assignment.identity_reads_secrets]
}
