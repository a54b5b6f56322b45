# Supplied by the pipeline, from slipway.toml (`./invoke env` prints the same for use by hand).

variable "names" {
  description = "How things are called: the prefix of every name of the environment, its own tag, and all tags of a thing of it."
  type        = object({ prefix = string, tag = string, tags = list(string) })

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]+$", var.names.prefix)) && contains(var.names.tags, var.names.tag)
    error_message = "The prefix is lower-case letters, digits and dashes, and the environment's own tag is among the tags."
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
