"""A question about one medium, put in the words of a task."""

from pathlib import Path
from typing import cast

from reeltune.answers.final_answer import Mode
from reeltune.errors import InputError
from reeltune.tasks import get_task


def put(task_name: str, media: Path | None, question: str, mode: str) -> str:
    """The prompt of a task whose one field of text is `question`. InputError for one that asks with more."""
    task = get_task(task_name)
    needs_more = InputError(
        f"task {task_name}: its prompt needs more than a question ({', '.join(task.sample_type.model_fields)}); "
        "write a samples.jsonl and evaluate the model on it, or ask with the whole prompt and without a task"
    )
    if len(task.columns) != 1:
        raise needs_more
    # Only what is asked is known here: no truth, no duration.
    [field] = task.columns
    known = {"id": "asked", "task": task_name, "video": str(media) if media else None, field: question}
    sample = task.sample_type.model_construct(**known)
    try:
        return task.prompt(sample, cast(Mode, mode))
    except AttributeError as error:
        # A field that was left out above, not a fault of the task's own.
        if error.obj is sample and error.name in task.sample_type.model_fields:
            raise needs_more from None
        raise
