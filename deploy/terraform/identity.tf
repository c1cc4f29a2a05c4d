locals {
  # The service account of the pods, and that of the chart's migration.
  subjects = var.cluster == null ? {} : {
    pods    = "system:serviceaccount:${var.cluster.namespace}:${var.cluster.name}"
    migrate = "system:serviceaccount:${var.cluster.namespace}:${var.cluster.name}-migrate"
  }
}

resource "azurerm_resource_group" "vaultspan" {
  name     = var.name
  location = var.location
}

# The service's own identity. It opens the home vault and signs in to the database, so there is no secret.
resource "azurerm_user_assigned_identity" "vaultspan" {
  name                = var.name
  resource_group_name = azurerm_resource_group.vaultspan.name
  location            = azurerm_resource_group.vaultspan.location
}

resource "azurerm_federated_identity_credential" "cluster" {
  for_each            = local.subjects
  name                = "${var.name}-${each.key}"
  resource_group_name = azurerm_resource_group.vaultspan.name
  parent_id           = azurerm_user_assigned_identity.vaultspan.id
  issuer              = var.cluster.issuer
  subject             = each.value
  audience            = ["api://AzureADTokenExchange"]
}
