"""Convolutional backbones behind one feature contract."""

from model.nets.backbones.base import Backbone, BackboneFeatures, Trunk
from model.nets.backbones.mobilenet import MobileNetV2Backbone
from model.nets.backbones.preact_resnet import PreActResNet50Backbone
from model.nets.backbones.resnet import ResNetBackbone
from model.nets.backbones.two_trunks import TwoTrunkBackbone
from model.nets.backbones.vgg import VGGBackbone

__all__ = [
    "Backbone",
    "BackboneFeatures",
    "MobileNetV2Backbone",
    "PreActResNet50Backbone",
    "ResNetBackbone",
    "Trunk",
    "TwoTrunkBackbone",
    "VGGBackbone",
]
