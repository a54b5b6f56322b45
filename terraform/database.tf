# The database as the releases use it. The cluster itself is not made here but in database/, with a state of its own:
# data outlives the app.

locals {
  with_database = { for key, release in local.running : key => release if release.database_user != "" }

  # The names that the pipeline gives are made here, and go with their last release; any other was leased from a vault.
  database_users = toset(concat(tolist(var.users), [
    for release in values(local.with_database) : release.database_user
    if can(regex("^app_[0-9]+$", release.database_user))
  ]))

  database_passwords = merge(
    { for name, user in digitalocean_database_user.app : name => user.password },
    var.database_passwords,
  )

  database_urls = {
    for key, release in local.with_database : key => format(
      "postgres://%s:%s@%s:%d/app?sslmode=verify-full&sslrootcert=/opt/app/database-ca.pem",
      release.database_user,
      # In a URL a space is no plus sign. A droplet that stands has its own.
      replace(urlencode(lookup(local.database_passwords, release.database_user, "")), "+", "%20"),
      data.digitalocean_database_cluster.app[0].private_host,
      data.digitalocean_database_cluster.app[0].port,
    )
  }
}

# What stands for the parts in the app's variables.
locals {
  database_parts = {
    for key, release in local.with_database : key => {
      "{database_url}"      = local.database_urls[key]
      "{database_host}"     = data.digitalocean_database_cluster.app[0].private_host
      "{database_port}"     = tostring(data.digitalocean_database_cluster.app[0].port)
      "{database_name}"     = "app"
      "{database_user}"     = release.database_user
      "{database_password}" = lookup(local.database_passwords, release.database_user, "")
    }
  }
}

data "digitalocean_database_cluster" "app" {
  count = length(local.with_database) + length(var.users) > 0 ? 1 : 0
  name  = var.names.prefix
}

data "digitalocean_database_ca" "app" {
  count      = length(local.with_database) + length(var.users) > 0 ? 1 : 0
  cluster_id = data.digitalocean_database_cluster.app[0].id
}

resource "digitalocean_database_user" "app" {
  for_each = local.database_users

  cluster_id = data.digitalocean_database_cluster.app[0].id
  name       = each.key
}
