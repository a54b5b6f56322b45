# The release graph: create, verify, move the address, confirm, and only then retire.
#
# The gate stands inside the graph, so that no apply, by whomever, puts traffic on a droplet that was not verified.
# Each release has a droplet of its own under its own key: a failed apply leaves the live one where it is, in the state
# as in the world.

locals {
  running = {
    for key, release in var.releases : key => release
    if key == var.live || key == var.standby || contains(var.retiring, key)
  }

  # What the app is told at boot, in base64: OpenTofu normalizes every text, and would change some of these. The settings
  # come from the pipeline; the line with the URL follows them. The state has of all this the database's password alone.
  conf_env = {
    for key, release in local.running : key => join("", [
      lookup(var.settings, key, ""), # a droplet that stands has its own
      base64encode(join("", [for name, value in local.told[key] : "${name}=\"${value}\"\n"])),
    ])
  }

  # Where users arrive.
  urls = {
    for key, release in local.running : key => join("", [
      "http://${digitalocean_floating_ip.public.ip_address}",
      try(release.app.front, true) || try(release.app.port, 80) == 80 ? "" : ":${release.app.port}",
    ])
  }

  # The variables whose values are known here; an app that names no part of its database in any finds it in one of its own.
  told = {
    for key, release in local.running : key => merge(
      {
        for name, template in release.templates : name => replace(replace(join("", [
          for part in regexall("[{][a-z_]+[}]|[^{]+|[{]", template) : lookup(local.known[key], part, part)
        ]), "\\", "\\\\"), "\"", "\\\"")
      },
      {
        for name, url in local.database_urls : "APP_DATABASE_URL" => url
        if name == key && !strcontains(join(" ", values(release.templates)), "{database_")
      },
    )
  }

  known = {
    for key, release in local.running : key => merge(
      { "{release}" = key, "{url}" = local.urls[key] },
      try(local.database_parts[key], {}),
    )
  }

  user_data = {
    for key, release in local.running : key => templatefile("${var.files}/provisioning/cloud-init.yaml.tftpl", {
      release          = key
      conf_env         = local.conf_env[key]
      database_ca      = release.database_user == "" ? "" : base64encode(data.digitalocean_database_ca.app[0].certificate)
      host_key_private = var.host_keys[key].private
      host_key_public  = var.host_keys[key].public
    })
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# THE ADDRESS AND THE KEY: they outlive every release
# ---------------------------------------------------------------------------------------------------------------------

resource "digitalocean_floating_ip" "public" {
  region = var.region

  # The assignment below moves it; here it must not be taken back.
  lifecycle {
    ignore_changes = [droplet_id]
  }
}

resource "digitalocean_ssh_key" "deploy" {
  name       = var.names.prefix
  public_key = var.deploy_public_key
}

# ---------------------------------------------------------------------------------------------------------------------
# THE DROPLETS: one for each release that runs, from an image that is named by its content
# ---------------------------------------------------------------------------------------------------------------------

data "digitalocean_image" "app" {
  for_each = local.running
  name     = each.value.image
}

resource "digitalocean_droplet" "app" {
  for_each = local.running

  name     = "${var.names.prefix}-${each.key}"
  image    = data.digitalocean_image.app[each.key].id
  region   = var.region
  size     = each.value.size
  ssh_keys = [digitalocean_ssh_key.deploy.id]
  tags     = var.names.tags

  # Nothing but the pipeline's own key opens a droplet.
  droplet_agent = false

  user_data = local.user_data[each.key]

  lifecycle {
    # The new one stands before the old one goes.
    create_before_destroy = true

    # A droplet is never changed, and never replaced under its own key: whatever differs makes another release.
    ignore_changes = [droplet_agent, image, region, size, ssh_keys, tags, user_data]
  }
}

# A droplet that the pipeline has ordered by the API enters the state here: the provider would wait 20 seconds for it.
# An apply by hand has none, and makes its droplets above.
import {
  for_each = var.made
  to       = digitalocean_droplet.app[each.key]
  id       = each.value
}

# ---------------------------------------------------------------------------------------------------------------------
# THE MIGRATION: once for each droplet, by its own binary, after a rehearsal that the live release has to survive
# ---------------------------------------------------------------------------------------------------------------------

resource "terraform_data" "migration" {
  for_each = local.with_database

  triggers_replace = [digitalocean_droplet.app[each.key].id]

  lifecycle {
    create_before_destroy = true
  }

  provisioner "local-exec" {
    working_dir = var.project
    command     = "${var.command} migrate --environment ${var.environment} --release ${each.key} --address ${digitalocean_droplet.app[each.key].ipv4_address}"
    environment = { SLIPWAY_CANDIDATE = jsonencode(each.value) }
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# THE GATE: verification, once for each droplet; its output is the only way to a droplet's id
# ---------------------------------------------------------------------------------------------------------------------

resource "terraform_data" "gate" {
  for_each = local.running

  input            = digitalocean_droplet.app[each.key].id
  triggers_replace = [digitalocean_droplet.app[each.key].id]
  depends_on       = [terraform_data.migration]

  lifecycle {
    create_before_destroy = true
  }

  provisioner "local-exec" {
    working_dir = var.project
    command     = "${var.command} verify --environment ${var.environment} --release ${each.key} --address ${digitalocean_droplet.app[each.key].ipv4_address}"
    environment = { SLIPWAY_CANDIDATE = jsonencode(each.value) }
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# THE CUTOVER: the address moves to what passed the gate, and is confirmed from outside
# ---------------------------------------------------------------------------------------------------------------------

resource "digitalocean_floating_ip_assignment" "live" {
  for_each = var.live == null ? {} : { address = var.live }

  ip_address = digitalocean_floating_ip.public.ip_address
  droplet_id = terraform_data.gate[each.value].output

  # Moved in one step: without this it would be taken away first and given again afterwards.
  lifecycle {
    create_before_destroy = true
  }
}

# An address that the pipeline has moved by the API, to a droplet that had passed the gate in an apply before.
import {
  for_each = var.moved
  to       = digitalocean_floating_ip_assignment.live[each.key]
  id       = each.value
}

resource "terraform_data" "confirmation" {
  count = var.live == null ? 0 : 1

  triggers_replace = [digitalocean_floating_ip_assignment.live["address"].id, terraform_data.gate[var.live].output]

  # What retires waits for the confirmation, because this stands between them in the order of destruction.
  lifecycle {
    create_before_destroy = true
  }

  provisioner "local-exec" {
    working_dir = var.project
    command     = "${var.command} verify --environment ${var.environment} --release ${var.live} --address ${digitalocean_floating_ip.public.ip_address} --through-floating-ip"
    environment = { SLIPWAY_CANDIDATE = jsonencode(var.releases[var.live]) }
  }
}

# The last reference that was confirmed: what `status` compares with git, and what a failed release goes back to.
resource "terraform_data" "reference" {
  input = {
    releases = { for key, release in var.releases : key => release if !contains(var.retiring, key) }
    live     = var.live
    standby  = var.standby
  }

  depends_on = [terraform_data.confirmation]
}
