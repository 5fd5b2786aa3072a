"""Signal timing: road graph, plans, green bands."""
