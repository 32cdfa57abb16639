"""Floor 7: JupyterLab's own scheduler runs its notebooks through us. Needs the package jupyter-scheduler."""
