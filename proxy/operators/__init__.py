"""What stands in the place of what was found, and how it comes back: labels, masks, hashes, stand-ins, pseudonyms."""

from proxy.operators.conversation import Conversation, Conversations, Vault
from proxy.operators.keys import Keys, keys_from
from proxy.operators.names import stem
from proxy.operators.restore import Restorer, Restoring

__all__ = ["Conversation", "Conversations", "Keys", "Restorer", "Restoring", "Vault", "keys_from", "stem"]
