# The usual image: a droplet of the base image, provisioned by hand's script and photographed. No tests stand before it.
packer {
  required_plugins {
    digitalocean = {
      source  = "github.com/digitalocean/digitalocean"
      version = ">= 1.4.0"
    }
  }
}

variable "image_name" { type = string }
variable "binary" { type = string }
variable "provisioning_dir" { type = string }
variable "region" { type = string }
variable "size" { type = string }
variable "base_image" { type = string }

source "digitalocean" "app" {
  image         = var.base_image
  region        = var.region
  size          = var.size
  snapshot_name = var.image_name
  ssh_username  = "root"
}

build {
  sources = ["source.digitalocean.app"]

  provisioner "file" {
    source      = var.provisioning_dir
    destination = "/tmp"
  }

  provisioner "file" {
    source      = var.binary
    destination = "/tmp/provisioning/app"
  }

  provisioner "shell" {
    environment_vars = ["IMAGE_NAME=${var.image_name}"]
    inline           = ["bash /tmp/provisioning/provision.sh", "bash /tmp/provisioning/clean.sh"]
    skip_clean       = true # which took the script itself away
  }
}
