# The usual way: one droplet whose image is edited, with the floating IP on it.
terraform {
  required_providers {
    digitalocean = {
      source  = "digitalocean/digitalocean"
      version = ">= 2.17.1, < 3.0.0"
    }
  }
}

variable "image" {
  description = "Name of the image: what is edited to release."
  type        = string
}

variable "release" {
  description = "What the app calls itself."
  type        = string
}

variable "depends_on_address" {
  description = "What must accept connections before the app is ready; empty for nothing."
  type        = string
  default     = ""
}

variable "region" {
  type = string
}

variable "size" {
  type = string
}

data "digitalocean_image" "app" {
  name = var.image
}

resource "digitalocean_droplet" "app" {
  name          = "usual"
  image         = data.digitalocean_image.app.id
  region        = var.region
  size          = var.size
  droplet_agent = false

  user_data = <<-EOT
    #cloud-config
    write_files:
      - path: /opt/app/conf.env
        owner: app:app
        permissions: "0600"
        content: |
          APP_RELEASE="${var.release}"
          APP_DEPENDS_ON="${var.depends_on_address}"
  EOT

  # The better of the two usual ways: without it the old droplet goes before the new one comes.
  lifecycle {
    create_before_destroy = true
  }
}

resource "digitalocean_floating_ip" "public" {
  region     = var.region
  droplet_id = digitalocean_droplet.app.id
}

output "address" {
  value = digitalocean_floating_ip.public.ip_address
}
