output "app_client_id" {
  description = "The id that customers add to their directory."
  value       = azuread_application.vaultspan.client_id
}

output "api_client_id" {
  description = "Audience of callers' tokens; they ask for the scope api://ID/.default."
  value       = azuread_application.api.client_id
}

output "config" {
  description = "The configuration file. For `vaultspan init` remove home.identity and home.managedIdentityClientId, so that it signs in as you."
  value       = local.config
}

output "database_user" {
  description = "The user that the administrators create once: see the README."
  value       = azurerm_user_assigned_identity.vaultspan.name
}

output "helm_values" {
  description = "With kubernetes: the values of deploy/helm."
  value = var.platform == "kubernetes" ? yamlencode({
    workloadIdentity = { clientId = azurerm_user_assigned_identity.vaultspan.client_id }
    config = {
      callers = [{
        issuer   = "https://login.microsoftonline.com/${data.azurerm_client_config.current.tenant_id}/v2.0"
        audience = [azuread_application.api.client_id]
      }]
      home = {
        tenantId   = data.azurerm_client_config.current.tenant_id
        appId      = azuread_application.vaultspan.client_id
        vaultUrl   = trimsuffix(azurerm_key_vault.home.vault_uri, "/")
        credential = "workload-identity"
      }
      database = {
        url      = "postgres://${azurerm_user_assigned_identity.vaultspan.name}@${azurerm_postgresql_flexible_server.vaultspan.fqdn}/vaultspan?sslmode=verify-full"
        password = "entra"
      }
    }
  }) : null
}
