"""Where units and spikes are."""
