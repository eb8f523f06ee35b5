import redis
import time

# Configuration
REDIS_HOST = 'localhost'
REDIS_PORT = 6379
STREAM_NAME = 'task_queue'
GROUP_NAME = 'task_consumers'
CONSUMER_NAME = 'consumer_1'  # You might want to generate a unique name

# Connect to Redis
redis_client = redis.Redis(host=REDIS_HOST, port=REDIS_PORT, decode_responses=True)


def process_task(task_data):
    print(f"Processing task: {task_data}")
    time.sleep(2)  # Simulate task processing
    print(f"Task completed: {task_data}")


def consume_tasks():
    try:
        redis_client.xgroup_create(STREAM_NAME, GROUP_NAME, id='0', mkstream=True) # Create the stream if it doesn't exist
    except redis.exceptions.ResponseError as e:
        if str(e) == "BUSYGROUP Consumer Group name already exists":
            print("Consumer group already exists.")
        else:
            raise e


    while True:
        try:
            # Read pending messages first
            response = redis_client.xreadgroup(groupname=GROUP_NAME, consumername=CONSUMER_NAME, streams={STREAM_NAME: '>'}, block=1000) #'>' only reads new messages
            if response:
                stream_name, messages = response[0]
                for message_id, message_data in messages:
                    task_id = message_data['task_id']
                    data = message_data['data']
                    print(f"Received task ID: {task_id}, Data: {data}, Message ID: {message_id}")

                    process_task(data)

                    # Acknowledge the message
                    redis_client.xack(STREAM_NAME, GROUP_NAME, message_id)
                    print(f"Acknowledged message: {message_id}")
        except redis.exceptions.ConnectionError as e:
            print(f"Connection error: {e}.  Retrying in 5 seconds...")
            time.sleep(5)


if __name__ == '__main__':
    consume_tasks()
