#!/usr/bin/env bash
# A recipe on two nodes of eight GPUs: `sbatch configs/slurm.sh fast_math_r1_14b runs/mine [--to grpo ...]`, from the
# checkout's root on a file system that the nodes share. The same command goes on from what an earlier job has saved.
#SBATCH --job-name=fastmath
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@600
set -euo pipefail
recipe=$1 run_dir=$2
shift 2
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 10000))
launch="{num_machines: $SLURM_NNODES, num_processes: $((SLURM_NNODES * SLURM_GPUS_PER_NODE)), \
main_process_ip: $first, main_process_port: $port}"

# Every node but the first joins; this script itself runs on the first.
srun --nodes=$((SLURM_NNODES - 1)) --ntasks=$((SLURM_NNODES - 1)) --exclude="$first" --overlap \
    bash -c ".venv/bin/fastmath join '$run_dir' --rank \$((SLURM_PROCID + 1))" &
joined=$!
.venv/bin/fastmath run "$recipe" --run-dir "$run_dir" \
    --set sft.accelerate=multi_node --set grpo.accelerate=multi_node \
    --set "sft.launch=$launch" --set "grpo.launch=$launch" "$@" &
run=$!
trap 'kill -TERM $run' TERM # ten minutes before the job's end: save a checkpoint
trap 'kill $joined' EXIT
wait $run || wait $run # a first wait that a signal ends is not the run's end
