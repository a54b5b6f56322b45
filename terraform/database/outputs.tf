output "cluster" {
  description = "Id of the cluster."
  value       = digitalocean_database_cluster.app.id
}
