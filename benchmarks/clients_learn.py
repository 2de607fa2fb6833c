"""Other people's tasks learned on this simulator, each with its own trainer and settings.

    python benchmarks/clients_learn.py ../IsaacGymEnvs task=Anymal epochs=500 [envs=256] [out=learned.csv]
    python benchmarks/clients_learn.py ../legged_gym rsl_rl=../rsl_rl task=a1 epochs=1200 [envs=256]

The first trains a task of https://github.com/isaac-sim/IsaacGymEnvs with rl-games' stock PPO and the task's own YAML, of
which the number of environments, the minibatch (a quarter of a rollout) and where files go are set here; the second one of
https://github.com/leggedrobotics/legged_gym, on a plane, with https://github.com/leggedrobotics/rsl_rl at v1.0.2. All are
unchanged checkouts. One thread. A row is written to ``out`` forty times a run: mean return and length of the
last hundred episodes, and for legged_gym what following the commanded velocity and turning rate paid, a second, of at
most 1 and 0.5.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any, TextIO

from clients import create, fill_in_what_has_gone

from isaacgymenvs_tasks.options import read_options, whole

ROWS = 40


def isaacgymenvs(folder: Path, task: str, envs: int, epochs: int, out: TextIO) -> None:
    """rl-games' PPO on the task."""
    env, cfg, _ = create(folder, task, envs)
    from isaacgymenvs.utils.reformat import omegaconf_to_dict
    from isaacgymenvs.utils.rlgames_utils import RLGPUEnv
    from rl_games.common import env_configurations, vecenv
    from rl_games.common.algo_observer import AlgoObserver
    from rl_games.torch_runner import Runner

    class Watch(AlgoObserver):  # type: ignore[misc]
        def after_init(self, algo: Any) -> None:
            self.algo = algo

        def after_print_stats(self, frame: int, epoch: int, total: float) -> None:
            if epoch % max(1, epochs // ROWS) == 0 and self.algo.game_rewards.current_size:
                mean, length = float(self.algo.game_rewards.get_mean()[0]), float(self.algo.game_lengths.get_mean())
                print(f"{epoch},{frame},{mean:.3f},{length:.1f}", file=out, flush=True)

    train = omegaconf_to_dict(cfg.train)
    train["params"]["config"] |= {
        "num_actors": envs,
        "max_epochs": epochs,
        "minibatch_size": envs * train["params"]["config"]["horizon_length"] // 4,
        "mixed_precision": False,
        "device": "cpu",
        "device_name": "cpu",
        "torch_compile": False,
        "save_frequency": 0,
        "save_best_after": 10**9,
        "train_dir": tempfile.mkdtemp(),
        "full_experiment_name": task,
        "env_name": "rlgpu",
    }
    env_configurations.register("rlgpu", {"vecenv_type": "RLGPU", "env_creator": lambda **_: env})
    vecenv.register("RLGPU", lambda name, actors, **more: RLGPUEnv(name, actors, **more))
    print("epoch,frames,reward,length", file=out, flush=True)
    runner = Runner(Watch())
    runner.load(train)
    runner.reset()
    runner.run({"train": True, "play": False, "checkpoint": "", "sigma": None})


def legged_gym(folder: Path, rsl_rl: Path, task: str, envs: int, epochs: int, out: TextIO) -> None:
    """rsl_rl's PPO on the task, on a plane as legged_gym's own anymal_c_flat: 48 observations, no heights, small networks."""
    fill_in_what_has_gone()
    import mtbench.sim

    mtbench.sim.install()
    sys.path[:0] = [str(rsl_rl), str(folder)]
    import isaacgym  # noqa: F401 (before torch, as the client wants it)
    import legged_gym.envs  # noqa: F401 (registers the tasks)
    import torch
    from legged_gym.utils import get_args, task_registry
    from rsl_rl.runners import OnPolicyRunner

    torch.set_num_threads(1)
    log = OnPolicyRunner.log
    scalars: dict[str, float] = {}

    def watch(self: Any, seen: dict[str, Any], *more: Any) -> None:
        add = self.writer.add_scalar
        self.writer.add_scalar = lambda name, value, step: scalars.update({name: float(value)})
        log(self, seen, *more)
        self.writer.add_scalar = add
        epoch = seen["it"] + 1
        if epoch % max(1, epochs // ROWS) == 0 and "Train/mean_reward" in scalars:
            names = ("Train/mean_reward", "Train/mean_episode_length", "Episode/rew_tracking_lin_vel",
                     "Episode/rew_tracking_ang_vel")  # fmt: skip
            columns = (f"{scalars[name]:.3f}" for name in names)
            print(epoch, epoch * self.num_steps_per_env * envs, *columns, sep=",", file=out, flush=True)

    OnPolicyRunner.log = watch
    on_cpu = ["--headless", f"--num_envs={envs}", "--sim_device=cpu", "--rl_device=cpu", "--pipeline=cpu"]
    sys.argv = ["train.py", f"--task={task}", *on_cpu]
    args = get_args()
    env_cfg, train_cfg = task_registry.get_cfgs(task)
    env_cfg.env.num_envs, env_cfg.terrain.mesh_type = envs, "plane"
    env_cfg.env.num_observations, env_cfg.terrain.measure_heights = 48, False
    train_cfg.policy.actor_hidden_dims = train_cfg.policy.critic_hidden_dims = [128, 64, 32]
    env, _ = task_registry.make_env(name=task, args=args, env_cfg=env_cfg)
    runner, _ = task_registry.make_alg_runner(
        env=env, name=task, args=args, train_cfg=train_cfg, log_root=tempfile.mkdtemp()
    )
    print("epoch,frames,reward,length,follows_velocity,follows_turning", file=out, flush=True)
    runner.learn(num_learning_iterations=epochs, init_at_random_ep_len=True)


def main(folder: str, *arguments: str) -> None:
    options = read_options(arguments, {"task": "", "epochs": "500", "envs": "256", "rsl_rl": "", "out": "learned.csv"})
    envs, epochs, root = whole(options, "envs", 1), whole(options, "epochs", 1), Path(folder).resolve()
    with Path(options["out"]).open("w") as out:
        if options["rsl_rl"]:
            legged_gym(root, Path(options["rsl_rl"]).resolve(), options["task"], envs, epochs, out)
        else:
            isaacgymenvs(root, options["task"], envs, epochs, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
