"""What the dashboard's buttons do: the table of actions, the forms that ask for them, the list of what was done."""
