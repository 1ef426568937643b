"""A module such as users bring: networks that convert, and networks that cannot."""

from __future__ import annotations

NETS = """
    import torch
    from torch import nn
    from torch.nn import functional

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(1, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4)
            self.head = nn.Linear(4, 2)

        def forward(self, image):
            return self.head(torch.relu(self.norm(self.stem(image))).mean((2, 3)))

    class Named(Plain):
        def forward(self, image):
            logits = super().forward(image)
            return {"logits": logits, "extra": [logits * 2, None, (logits * 3,)]}

    class NormFirst(nn.Module):
        '''The normalisation is defined after the convolution and applied before it.'''

        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(1, 1, 3, padding=1)
            self.norm = nn.BatchNorm2d(1)
            self.norm.running_mean += 3

        def forward(self, image):
            return self.stem(self.norm(image))

    class Fickle(nn.Module):
        def forward(self, image):
            return image if image.shape[0] == 2 else 2 * image

    class WithFickle(Plain):
        def __init__(self):
            super().__init__()
            self.middle = Fickle()

        def forward(self, image):
            return super().forward(self.middle(image))

    class Careless(Plain):
        def forward(self, image):
            return super().forward(functional.dropout(image))

    class Two(Plain):
        def forward(self, image, other):
            return super().forward(image - other)

    class Scaled(Plain):
        def forward(self, image, times: int):
            return self.head(self.stem(image).mean((2, 3))) * times

    class Odd(Plain):
        def forward(self, image):
            return "pneumonia"

    class Wide(Plain):
        def __init__(self, channels):
            super().__init__()

    class Broken(Plain):
        def __init__(self):
            raise RuntimeError("no data set here")

    class Many(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(*(nn.Linear(2, 2) for _ in range(8)))

    def build():
        return Plain()

    built = Plain()
    number = 3
"""
