"""What goes wrong between an app and its database: in one request, and in one statement."""
