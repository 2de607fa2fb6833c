"""The fifty official tasks by name, in the package's order, and its benchmarks."""

from isaacgymenvs_tasks.sawyer.task import SawyerTask
from isaacgymenvs_tasks.sawyer.tasks import buttons, doors, fixtures, holes, plates, pucks, tools

TASKS: dict[str, SawyerTask] = {
    task.name: task
    for task in sorted(
        (task for module in (buttons, doors, fixtures, holes, plates, pucks, tools) for task in module.TASKS),
        key=lambda task: task.task_id,
    )
}
