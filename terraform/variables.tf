# ---------------------------------------------------------------------------------------------------------------------
# THE REFERENCE: what git says is released; kept in environments/<environment>.tfvars.json, written by the pipeline
# ---------------------------------------------------------------------------------------------------------------------

variable "releases" {
  description = "Known releases by key (version and digest of the rest of the entry). Only the live one, the standby and those that retire have droplets."
  type = map(object({
    version          = string
    commit           = string
    image            = string
    size             = string
    template         = string
    config           = map(string)
    config_base64    = optional(map(string), {}) # settings whose text OpenTofu would change
    secrets          = optional(map(string), {}) # fingerprints by name, never values
    database_user    = optional(string, "")      # empty: a release without a database
    database_expires = optional(string, "")      # when a leased user ends
    templates        = optional(map(string), {}) # variables of the app whose values are known here
    app = optional(object({                      # what its image promises; none before there were contracts
      front   = bool
      port    = number
      health  = string
      version = string
    }))
  }))
  default = {}

  validation {
    condition     = alltrue([for key, release in var.releases : startswith(key, "${release.version}-") && can(regex("^[A-Za-z0-9.-]+$", key))])
    error_message = "The key of a release must be its version (letters, digits, dots and dashes), a dash and the digest of its contents."
  }
  validation {
    condition     = alltrue([for release in values(var.releases) : strcontains(release.image, "-${release.version}-")])
    error_message = "A release must name an image of its own version: <project>-<version>-<digest>."
  }
  validation {
    condition = alltrue(flatten([
      for release in values(var.releases) : [
        for key in concat(keys(release.config), keys(release.config_base64)) : can(regex("^[A-Z][A-Z0-9_]*$", key))
      ]
    ]))
    error_message = "Config keys are environment variables: capitals, digits and underscores."
  }
  validation {
    condition = alltrue([
      for release in values(var.releases) : can(regex("^([A-Za-z_][A-Za-z0-9_-]{0,62})?$", release.database_user))
    ])
    error_message = "A database user is a name that PostgreSQL takes."
  }
}

variable "live" {
  description = "Key of the release that the floating IP answers from; null before the first release."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.live == null ? true : length(var.live) > 0
    error_message = "The live release must be the key of a release, or null."
  }
}

variable "standby" {
  description = "Key of the release whose droplet is kept warm as the way back; null for none."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.standby == null ? true : length(var.standby) > 0
    error_message = "The standby must be the key of a release, or null."
  }
}

variable "retiring" {
  description = "Keys of releases whose droplets stay until the live one has proved itself. The pipeline's alone: no file has it."
  type        = set(string)
  default     = []
}

variable "made" {
  description = "Ids of droplets that the pipeline has ordered, by release key: they are adopted instead of made. The pipeline's alone."
  type        = map(string)
  default     = {}
}

variable "moved" {
  description = "Where the pipeline has moved the floating IP (\"IP,DROPLET\"), under the key `address`. The pipeline's alone."
  type        = map(string)
  default     = {}
}

variable "users" {
  description = "Database users that are made before the droplets that need them. The pipeline's alone."
  type        = set(string)
  default     = []
}

variable "wanted" {
  description = "Keys of releases whose user data a plan is to tell. The pipeline's alone."
  type        = set(string)
  default     = []
}

variable "rejected" {
  description = "Releases that were gone back from, by their marks, and why. The pipeline refuses them; no resource reads it."
  type        = map(string)
  default     = {}
}

# ---------------------------------------------------------------------------------------------------------------------
# THE ENVIRONMENT: supplied by the pipeline (`./invoke env` prints the same for use by hand)
# ---------------------------------------------------------------------------------------------------------------------

variable "environment" {
  description = "Name of the environment: the commands of the graph are given it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,20}$", var.environment))
    error_message = "An environment's name is lower-case letters, digits and dashes, beginning with a letter."
  }
}

variable "names" {
  description = "How things are called: the prefix of every name of the environment, its own tag, and all tags of a thing of it."
  type        = object({ prefix = string, tag = string, tags = list(string) })

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]+$", var.names.prefix)) && contains(var.names.tags, var.names.tag)
    error_message = "The prefix is lower-case letters, digits and dashes, and the environment's own tag is among the tags."
  }
}

variable "region" {
  description = "Slug of the region that holds the droplets and the floating IP."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{3}[0-9]$", var.region))
    error_message = "A region is a slug such as fra1."
  }
}

variable "deploy_public_key" {
  description = "OpenSSH public key with which verification logs in as root."
  type        = string

  validation {
    condition     = startswith(var.deploy_public_key, "ssh-")
    error_message = "The deploy key must be an OpenSSH public key."
  }
}

variable "host_keys" {
  description = "SSH host key of each release's droplet (OpenSSH format), known before the droplet exists."
  type        = map(object({ private = string, public = string }))
  sensitive   = true
  default     = {}

  validation {
    condition     = alltrue([for key in values(var.host_keys) : startswith(key.public, "ssh-ed25519 ")])
    error_message = "Host keys must be Ed25519 keys in OpenSSH format."
  }
}

variable "settings" {
  description = "The app's settings and secrets by release key, of the releases whose droplets are yet to be made: an environment file of systemd's in base64, without padding at its end."
  type        = map(string)
  sensitive   = true
  default     = {}

  validation {
    condition     = alltrue([for text in values(var.settings) : can(regex("^[A-Za-z0-9+/]*$", text)) && length(text) % 4 == 0])
    error_message = "Settings are base64 without padding."
  }
}

variable "database_passwords" {
  description = "Passwords of the database users that a vault leased, by name."
  type        = map(string)
  sensitive   = true
  default     = {}
}

variable "project" {
  description = "The project's folder, where the migration, the gate and the confirmation are called."
  type        = string
  default     = ".."

  validation {
    condition     = fileexists("${var.project}/slipway.toml")
    error_message = "There is no slipway.toml in the project folder, and without it nothing can be verified."
  }
}

variable "files" {
  description = "The folder in which slipway's folder provisioning is."
  type        = string
  default     = ".."
}

variable "command" {
  description = "What slipway is called by in the project's folder."
  type        = string
  default     = "./invoke"
}
