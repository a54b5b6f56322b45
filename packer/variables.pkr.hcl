# ---------------------------------------------------------------------------------------------------------------------
# WHAT IS BAKED
# ---------------------------------------------------------------------------------------------------------------------

variable "image_name" {
  description = "Name of the image: <project>-<version>-<digest>. The snapshot gets it, and the app reports it."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9]([A-Za-z0-9.-]{0,56}[A-Za-z0-9])?$", var.image_name))
    error_message = "The image_name has at most 58 letters, digits, dots and dashes."
  }
}

variable "version" {
  description = "Version of the app that the binary reports."
  type        = string

  validation {
    condition     = length(var.version) > 0
    error_message = "The version is empty."
  }
}

variable "commit" {
  description = "Git commit that the binary reports."
  type        = string

  validation {
    condition     = length(var.commit) > 0
    error_message = "The commit is empty."
  }
}

variable "digest" {
  description = "Digest of everything that goes into the image."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]+$", var.digest))
    error_message = "The digest is hexadecimal."
  }
}

variable "provisioning_dir" {
  description = "Path of the folder with provision.sh and what it installs, the app among it; no slash at its end."
  type        = string

  validation {
    condition     = basename(var.provisioning_dir) == "provisioning" && !can(regex("/$", var.provisioning_dir))
    error_message = "The folder provisioning_dir is called provisioning, without a slash at its end: it is uploaded under that name."
  }
}

variable "test_command" {
  description = "Command line for the local shell that tests and cleans the build droplet. It finds BUILD_HOST, BUILD_PORT and BUILD_SSH_PRIVATE_KEY in its environment."
  type        = string

  validation {
    condition     = length(var.test_command) > 0
    error_message = "The test_command is empty, and an image that is not tested is not baked."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# WHERE IT IS BAKED
# ---------------------------------------------------------------------------------------------------------------------

variable "base_image" {
  description = "Slug of the image to start from."
  type        = string
  default     = "debian-12-x64"
}

variable "region" {
  description = "Slug of the region in which the droplet is built and the snapshot is kept."
  type        = string
}

variable "size" {
  description = "Slug of the build droplet's size. Its disk is the least that a droplet of the image can have."
  type        = string
  default     = "s-1vcpu-1gb"
}

variable "user_data_file" {
  description = "Path of the build droplet's user data, which carries the SSH host key that the tests insist on."
  type        = string
}

# ---------------------------------------------------------------------------------------------------------------------
# HOW IT IS FOUND AGAIN
# ---------------------------------------------------------------------------------------------------------------------

variable "tags" {
  description = "Tags of the snapshot, among them version, commit and digest."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for tag in var.tags : can(regex("^[[:alnum:]:_-]{1,255}$", tag))])
    error_message = "Tags have 1 to 255 letters, digits, colons, dashes and underscores."
  }
}

variable "droplet_name" {
  description = "Name of the build droplet, which is its hostname."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$", var.droplet_name))
    error_message = "The droplet_name has at most 63 letters, digits, dots and dashes."
  }
}

variable "droplet_tags" {
  description = "Tags of the build droplet: its project, and the run by which a left-over is found."
  type        = list(string)

  validation {
    condition     = length(var.droplet_tags) > 0 && alltrue([for tag in var.droplet_tags : can(regex("^[[:alnum:]:_-]{1,255}$", tag))])
    error_message = "There is at least one tag, and tags have 1 to 255 letters, digits, colons, dashes and underscores."
  }
}

variable "ssh_key_id" {
  description = "Id of the account's key with which Packer logs in; null lets Packer make a temporary one."
  type        = number
  default     = null
}

variable "ssh_private_key_file" {
  description = "Path of the private half of that key."
  type        = string
  default     = null
}

variable "manifest" {
  description = "Path of the manifest to write: what was baked, and the snapshot's id."
  type        = string
}

variable "contents" {
  description = "Path of the file to fetch: what is in the image, as provisioning/manifest.py tells it."
  type        = string
}
