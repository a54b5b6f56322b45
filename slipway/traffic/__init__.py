"""verified -> live: the cutover measured as users meet it, and watched."""
