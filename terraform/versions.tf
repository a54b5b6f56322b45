# Works with OpenTofu and with Terraform; the two keep providers under the same short name.
# Endpoint and token come from DIGITALOCEAN_API_URL and DIGITALOCEAN_TOKEN: the same files serve both clouds.
terraform {
  required_version = ">= 1.7" # import blocks with for_each

  required_providers {
    digitalocean = {
      source  = "digitalocean/digitalocean"
      version = ">= 2.17.1, < 3.0.0"
    }
  }
}

provider "digitalocean" {}
