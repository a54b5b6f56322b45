# One source, one build: a droplet of the base image is provisioned, tested,
# cleaned and only then photographed. An image that fails its tests never
# exists, because Packer takes the snapshot after the last provisioner.
#
# Endpoint and token come from DIGITALOCEAN_API_URL and DIGITALOCEAN_TOKEN.

packer {
  required_version = ">= 1.9.0"

  required_plugins {
    digitalocean = {
      source  = "github.com/digitalocean/digitalocean"
      version = ">= 1.4.0"
    }
  }
}

locals {
  # Where provision.sh finds what it installs, and testinfra the last step.
  upload_dir = "/tmp/provisioning"
}

# ---------------------------------------------------------------------------------------------------------------------
# THE BUILD DROPLET
# ---------------------------------------------------------------------------------------------------------------------

source "digitalocean" "app" {
  image  = var.base_image
  region = var.region
  size   = var.size

  droplet_name = var.droplet_name
  tags         = var.droplet_tags

  # The agent would put keys of its own into the image.
  droplet_agent  = false
  user_data_file = var.user_data_file

  snapshot_name = var.image_name
  snapshot_tags = var.tags

  # The pipeline's key carries the run's id; without one Packer makes a temporary key of its own.
  ssh_username            = "root"
  ssh_key_id              = var.ssh_key_id
  ssh_private_key_file    = var.ssh_private_key_file
  temporary_key_pair_type = "ed25519"
  ssh_timeout             = "5m"
}

# ---------------------------------------------------------------------------------------------------------------------
# THE BAKE
# ---------------------------------------------------------------------------------------------------------------------

build {
  name    = var.image_name
  sources = ["source.digitalocean.app"]

  provisioner "file" {
    source      = var.provisioning_dir
    destination = dirname(local.upload_dir)
  }

  provisioner "shell" {
    environment_vars = ["IMAGE_NAME=${var.image_name}"]
    inline           = ["bash ${local.upload_dir}/provision.sh"]
  }

  # The tests clean the droplet as their last act and prove it over the
  # connection that they have: afterwards nobody can log in, and Packer, whose
  # own connection stays open, only fetches a file and takes the snapshot.
  #
  # Inline, because that is a file of mode 0700: in environment_vars the key
  # would be on a command line, for every user of this machine to see.
  provisioner "shell-local" {
    inline = [
      "export BUILD_HOST='${build.Host}' BUILD_PORT='${build.Port}'",
      "export BUILD_SSH_PRIVATE_KEY='${build.SSHPrivateKey}'",
      var.test_command,
    ]
  }

  # Written by the cleaning: what is in the image, to compare it with others.
  provisioner "file" {
    direction   = "download"
    source      = "/usr/share/slipway/manifest.json.gz"
    destination = var.contents
  }

  post-processor "manifest" {
    output     = var.manifest
    strip_path = true
    custom_data = {
      image_name = var.image_name
      version    = var.version
      commit     = var.commit
      digest     = var.digest
      base_image = var.base_image
    }
  }
}
