"""An assignment and how it is graded, as options of `chainrule grade`."""

from dataclasses import dataclass

from chainrule.check.graders.points import PointScheme


@dataclass(frozen=True)
class GradedAssignment:
    """Options of a grading that an autograder repeats for every submission.

    against      the layer to be written, as an expression, or the name of a loss
    input_shape  shape of one input as text, such as "3,7,6"; None to choose one
    seed         seed of the random values; None for a new one each time
    hints        how much the results give away, 0 to 3; None for the default
    draw_by      "name" to draw values and shapes from the student's name; None for the same for everyone
    """

    against: str
    scheme: PointScheme
    input_shape: str | None = None
    seconds: int | None = None
    memory: int | None = None
    packages: tuple[str, ...] = ()
    seed: int | None = None
    draw_by: str | None = None
    hints: int | None = None

    @property
    def words(self) -> list[str]:
        """The options as words of the command line, without the folder and the points."""
        options = {
            "--against": self.against,
            "--input-shape": self.input_shape,
            "--seconds": self.seconds,
            "--memory": self.memory,
            "--seed": self.seed,
            "--draw-by": self.draw_by,
            "--hints": self.hints,
        }
        words = [word for name, value in options.items() if value is not None for word in (name, str(value))]
        return words + [word for name in self.packages for word in ("--package", name)]
