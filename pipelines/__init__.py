"""The roof: stages that join data and models, and the only folder that knows ray, mlflow, yaml."""
