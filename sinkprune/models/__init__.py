"""What we run: known models, loading, checkpoint layouts."""

from sinkprune.models.spec import LoadedModel, ModelSpec

__all__ = ["LoadedModel", "ModelSpec"]
