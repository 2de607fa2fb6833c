"""Statistics over runs, their figures and the page that shows them; knows the files of ``runs/``, not agents."""
