"""What pyproject.toml cannot say: the folders ``cfg`` and ``assets`` go into the package ``mtbench`` when it is built, where
:mod:`mtbench.resources` finds them. Everything else is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["mtbench*", "isaacgymenvs_tasks*"]), "mtbench.cfg", "mtbench.assets"],
    package_dir={"mtbench.cfg": "cfg", "mtbench.assets": "assets"},
    package_data={
        "mtbench": ["py.typed"],
        "isaacgymenvs_tasks": ["py.typed"],
        "mtbench.report": ["baselines/*.csv"],
        "mtbench.cfg": ["**/*.yaml"],
        "mtbench.assets": ["**/*"],
    },
)
