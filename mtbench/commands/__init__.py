"""What a person types, a command a module; :mod:`mtbench.commands.main` lists them."""
