"""What every capability stands on: settings, clients, tables, queues, errors, logs. Knows nothing of the product."""
