# Works with OpenTofu and with Terraform; endpoint and token come from DIGITALOCEAN_API_URL and DIGITALOCEAN_TOKEN.
terraform {
  required_version = ">= 1.5"

  required_providers {
    digitalocean = {
      source  = "digitalocean/digitalocean"
      version = ">= 2.17.1, < 3.0.0"
    }
  }
}

provider "digitalocean" {}
