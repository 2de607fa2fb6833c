"""The official Meta-World: fifty tasks of a Sawyer arm, on the models of the installed package ``metaworld``."""
