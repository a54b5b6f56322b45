"""Base images and the layered disks of droplets. A directory that is visible here is always a whole one."""
