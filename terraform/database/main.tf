# The database of an environment. It has a root module and a state of its own, because data outlives the app: nothing
# that is done to a release or to the app's droplets can reach it.

resource "digitalocean_database_cluster" "app" {
  name       = var.names.prefix
  engine     = "pg"
  version    = var.database.version
  size       = var.database.size
  region     = var.region
  node_count = var.database.nodes
  tags       = var.names.tags
  depends_on = [digitalocean_tag.environment]

  # `./invoke destroy --with-database` lifts this, after a backup.
  lifecycle {
    prevent_destroy = true
  }
}

resource "digitalocean_database_db" "app" {
  cluster_id = digitalocean_database_cluster.app.id
  name       = "app"

  lifecycle {
    prevent_destroy = true
  }
}

# The tag that every droplet of the environment carries: with it a droplet may ask the database, and without it not.
resource "digitalocean_tag" "environment" {
  name = var.names.tag
}

resource "digitalocean_database_firewall" "app" {
  cluster_id = digitalocean_database_cluster.app.id

  rule {
    type  = "tag"
    value = digitalocean_tag.environment.name
  }

  dynamic "rule" {
    for_each = var.database.trusted_sources
    content {
      type  = rule.value.type
      value = rule.value.value
    }
  }
}
