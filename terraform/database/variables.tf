# Supplied by the pipeline, from slipway.toml (`./invoke env` prints the same for use by hand).

variable "environment" {
  description = "Name of the environment: part of every name and tag."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,15}$", var.environment))
    error_message = "An environment's name is lower-case letters, digits and dashes, beginning with a letter."
  }
}

variable "region" {
  description = "Slug of the region that holds the cluster and the droplets."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{3}[0-9]$", var.region))
    error_message = "A region is a slug such as fra1."
  }
}

variable "database" {
  description = "The cluster: PostgreSQL's major version, the size of a node, their number, and who may ask it beside the app."
  type = object({
    version         = string
    size            = string
    nodes           = number
    trusted_sources = list(object({ type = string, value = string }))
  })

  validation {
    condition     = alltrue([for source in var.database.trusted_sources : contains(["ip_addr", "droplet", "tag"], source.type)])
    error_message = "A trusted source is an ip_addr, a droplet or a tag."
  }
}
