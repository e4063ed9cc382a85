"""From a fitted model to a proven ONNX file: conversion, metadata, parity."""
