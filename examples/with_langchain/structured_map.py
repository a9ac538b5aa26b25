"""Structured answers to fifty inputs, asked at a time, over one connection pool and one event loop.

Run it as `agent.py`: it needs a language model.
"""

from langchain_core.prompts import ChatPromptTemplate
from pydantic import BaseModel, Field

from langchain_reka import ChatReka


class Order(BaseModel):
    """What somebody orders."""

    item: str = Field(description="what is ordered")
    amount: int = Field(description="how many of it")


prompt = ChatPromptTemplate.from_template("A customer writes: send me {amount} pieces of '{item}'.")
orders = (prompt | ChatReka(temperature=0).with_structured_output(Order)).map()
wanted = [{"amount": number, "item": f"part {number}"} for number in range(1, 51)]
found = orders.invoke(wanted)
print(found[0], found[-1], sep="\n")
print(sum(order.amount for order in found), "pieces in", len(found), "orders")
