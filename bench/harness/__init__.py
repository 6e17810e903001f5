"""What scenes are built from: servers, load, figures."""
