"""The network and the training of keras_script.py in tilewright's own spelling."""

import time

import tilewright as tw
from tilewright import data, nn, optim

train, test = data.mnist()
model = nn.Sequential(
    nn.Conv2d(1, 32, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(32, 64, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(64, 64, 3),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(576, 64),
    nn.ReLU(),
    nn.Linear(64, 10),
)
trainer = tw.Trainer(model, optim.Adam(model.parameters()))
begin = time.perf_counter()
trainer.fit(train, epochs=5, batch_size=32, verbose=False)
seconds = time.perf_counter() - begin
accuracy = trainer.evaluate(test)["accuracy"]
