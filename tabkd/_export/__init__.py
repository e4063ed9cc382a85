"""From a fitted model to a verified ONNX file: conversion, metadata, parity."""
