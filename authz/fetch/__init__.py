"""The one way out: HTTPS with limits on size, time, redirects and addresses, behind the ports of whoever needs it."""
