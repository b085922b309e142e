# Every target prints the hwsr command that it runs, and makes what it needs first.
#   make train-ternary SPEC="ST-bl x2 n8 g0 b2 noca anchor direct r1" DATA=photos STEPS=4000

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HWSR := $(BIN)/hwsr

TERNARY_SPEC := ST-bl x2 n16 g0 b3 noca anchor direct r1
INT8_SPEC := bl x2 n16 g0 b3 noca anchor direct int8
# The network that export, hls, csim and estimate work on, unless SPEC says otherwise.
NET := $(if $(SPEC),$(SPEC),$(TERNARY_SPEC))
STEPS ?= 2000
FRAME ?= 48x48
BACKEND ?= Vitis
# Vivado HLS came before KV260's part.
DEVICE ?= $(if $(filter Vivado,$(BACKEND)),zcu104,kv260)
# In MHz; empty: the usual one of the device.
CLOCK ?=
# Clocks that an input pixel may take; empty: scale^2.
REUSE ?=
# What `make plan` writes, for images of OUT (at FPS a second; empty: as many as fit); hls and estimate build by PLAN.
# LIMIT: the most that it may take, such as "lut=80% bram18=200".
OUT ?= 1920x1080
FPS ?=
LIMIT ?=
PLAN ?=
# The AXI4-Stream top: what TLAST ends, line or frame; OFF_CHIP=1: FIFOs of a frame outside; AXI=1: csim checks it too.
TLAST ?= line
OFF_CHIP ?=
AXI ?=

slug = $(shell printf '%s' '$(1)' | tr 'A-Z' 'a-z' | tr -cs 'a-z0-9' '_' | sed 's/^_//; s/_$$//')
NAME ?= $(call slug,$(NET))
RUN := runs/$(NAME)
PROJECT := hls_projects/$(NAME)_$(call slug,$(BACKEND))
TRAIN_OPTIONS = --steps $(STEPS) $(if $(DATA),--data "$(DATA)") $(if $(RESUME),--resume)
CLOCKED = $(if $(CLOCK),--clock $(CLOCK))
FOLDED = $(if $(REUSE),--reuse-factor $(REUSE))
# A plan decides all of these.
HARDWARE = $(if $(PLAN),--plan "$(PLAN)",--backend $(BACKEND) --device $(DEVICE) $(CLOCKED) $(FOLDED))
# Exported means are those of small tiles; whole frames get theirs in hardware.
EXPORT = $(HWSR) export "$(RUN)" $(if $(OFF_CHIP),,--frame $(FRAME))
WHOLE = $(if $(OFF_CHIP),--off-chip --frame $(FRAME))
# What needs a model goes on with a training that was interrupted.
STARTED = $(if $(RESUME),,$(if $(wildcard $(RUN)/checkpoint.safetensors),--resume))

.PHONY: setup run train-ternary train-int8 export plan hls csim estimate report test test-full bench lint clean
.DELETE_ON_ERROR:

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

$(RUN)/model.safetensors: | $(VENV)/.ready
	$(HWSR) train "$(NET)" --out "$(RUN)" $(TRAIN_OPTIONS) $(STARTED) --json "$(RUN)/train.json"

train-ternary: setup
	@$(MAKE) --no-print-directory train NET="$(or $(SPEC),$(TERNARY_SPEC))"

train-int8: setup
	@$(MAKE) --no-print-directory train NET="$(or $(SPEC),$(INT8_SPEC))"

.PHONY: train
train: setup
	$(HWSR) train "$(NET)" --out "$(RUN)" $(TRAIN_OPTIONS) --json "$(RUN)/train.json"
	$(EXPORT)
	$(HWSR) eval "$(RUN)" --engine reference --json "$(RUN)/eval.json"

# Training is kept; what follows takes seconds and is made anew, so that FRAME, BACKEND and CLOCK always count.
export: $(RUN)/model.safetensors
	$(EXPORT)

plan: export
	$(HWSR) plan "$(RUN)" --device $(DEVICE) $(CLOCKED) --backend $(BACKEND) --out $(OUT) \
	    $(if $(FPS),--fps $(FPS)) $(foreach limit,$(LIMIT),--limit $(limit)) --output "$(RUN)/plan.json"

hls: export
	$(HWSR) hls "$(RUN)" --out "$(PROJECT)" $(HARDWARE) --tlast $(TLAST) $(WHOLE)

csim: hls
	$(HWSR) csim "$(PROJECT)" -m "$(RUN)" $(foreach image,$(IMAGES),--image "$(image)") $(if $(AXI),--axi) --json "$(RUN)/csim.json"

estimate: export
	$(HWSR) estimate "$(RUN)" $(HARDWARE) $(WHOLE) --json "$(RUN)/estimate.json"

# With the verdict of `make csim`, where that was of this model in this hardware; on the images of EVAL.
report: export
	$(HWSR) report "$(RUN)" $(HARDWARE) $(if $(EVAL),--data "$(EVAL)") --out "$(RUN)/report.html" --json "$(RUN)/report.json"

# The whole way, on the photographs that the scikit-image and scikit-learn wheels carry.
run: setup
	@$(MAKE) --no-print-directory train NET="$(NET)"
	@$(MAKE) --no-print-directory csim estimate NET="$(NET)"
	$(HWSR) compare -m "$(RUN)" -o "$(RUN)/comparison.png"
	$(HWSR) summary "$(RUN)" --project "$(PROJECT)"

# Tests run side by side, one thread each.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n auto

test: setup lint
	$(PYTEST) -m "not slow"

test-full: setup lint
	$(PYTEST)

bench: setup
	$(BIN)/python -m benchmarks.reference
	$(BIN)/python -m benchmarks.csim

lint: setup
	$(BIN)/ruff format --check hwsr tests benchmarks
	$(BIN)/ruff check hwsr tests benchmarks
	$(BIN)/mypy

clean:
	rm -rf runs build $(filter-out hls_projects/README.md,$(wildcard hls_projects/* hls_projects/.[a-z]*))
