"""The one door to Linux: commands, machines, control groups, seeds. Nothing here knows about HTTP."""
