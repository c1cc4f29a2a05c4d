variable "subscription_id" {
  type        = string
  description = "The subscription that all resources are created in."
}

variable "location" {
  type        = string
  default     = "westeurope"
  description = "Region of all resources."
}

variable "name" {
  type        = string
  default     = "vaultspan"
  description = "Name of the resources. Those with global names (vault, database) get it as a prefix."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,14}$", var.name))
    error_message = "3 to 15 of a-z, 0-9 and -, beginning with a letter."
  }
}

variable "public_url" {
  type        = string
  description = "HTTPS address at which callers, operators and customers reach the service, without a path."

  validation {
    condition     = can(regex("^https://[a-z0-9.-]+(:[0-9]+)?$", var.public_url))
    error_message = "An https address without a path or a final slash."
  }
}

variable "platform" {
  type        = string
  description = "Where the service runs: container-apps creates a Container App; kubernetes prepares the Helm chart's identity."

  validation {
    condition     = contains(["container-apps", "kubernetes"], var.platform)
    error_message = "container-apps or kubernetes."
  }
}

variable "image" {
  type        = string
  default     = "registry.example/vaultspan:0.1.0"
  description = "The container image, with its registry; prefer a digest."
}

variable "subnet_id" {
  type        = string
  description = "Subnet of the Container Apps environment, of /27 or larger; unused with kubernetes."
  default     = null
}

variable "database_subnet_id" {
  type        = string
  description = "Subnet that is delegated to Microsoft.DBforPostgreSQL/flexibleServers."
}

variable "database_dns_zone_id" {
  type        = string
  description = "Private DNS zone of the database, linked to the network: NAME.private.postgres.database.azure.com."
}

variable "database_admins" {
  type        = object({ object_id = string, name = string })
  description = "Entra group that administers the database, and creates the service's user once."
}

variable "operators_group_id" {
  type        = string
  description = "Object id of the Entra group of operators: reads and manages tenants, reads the audit log, in the console and by command."
}

variable "cluster" {
  type        = object({ issuer = string, namespace = optional(string, "vaultspan"), name = optional(string, "vaultspan") })
  default     = null
  description = "With kubernetes: the cluster's OIDC issuer, and namespace and release of the Helm chart."
}
