output "floating_ip" {
  description = "The public address."
  value       = digitalocean_floating_ip.public.ip_address
}

output "droplets" {
  description = "Id, name and own address of each running release's droplet, by release key."
  value = {
    for key, droplet in digitalocean_droplet.app :
    key => { id = tonumber(droplet.id), name = droplet.name, address = droplet.ipv4_address }
  }
}

output "reference" {
  description = "The last reference that was confirmed through the floating IP."
  value       = terraform_data.reference.output
}

output "user_data" {
  description = "What the droplets of `wanted` would boot with. Only plans are made with `wanted`, so no state has it."
  value       = { for key in var.wanted : key => local.user_data[key] }
  sensitive   = true
}
